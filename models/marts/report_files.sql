-- One row per file in the program's folder.
with

report_files as (
    select * from {{ ref('int_report_files_judged') }}
),

rejected_rows as (
    select * from {{ ref('int_rejected_rows') }}
),

downloads_compared as (
    select * from {{ ref('int_downloads_compared') }}
),

rejected_counts as (
    select
        file_id,
        count(*) as rejected_row_count
    from rejected_rows
    group by file_id
),

final as (
    select
        report_files.file_name,
        report_files.report_kind,
        report_files.course,
        if(report_files.course is null, null, report_files.course_instance) as course_instance,
        report_files.reported_at,
        report_files.status,
        report_files.reason,
        report_files.row_count,
        coalesce(rejected_counts.rejected_row_count, 0) as rejected_row_count,
        report_files.size_bytes,
        report_files.learner_count::bigint as learner_count,
        downloads_compared.learners_gone,
        downloads_compared.certificates_gone
    from report_files
    left join downloads_compared on report_files.file_id = downloads_compared.file_id
    left join rejected_counts on report_files.file_id = rejected_counts.file_id
)

select * from final

-- One row per download of a course run's grade report, numbered from 1, the oldest.
{{ config(materialized='table') }}

with

report_files as (
    select * from {{ ref('int_report_files_judged') }}
),

contents as (
    select * from {{ ref('int_report_file_contents') }}
),

course_runs as (
    select * from {{ ref('int_course_runs') }}
),

-- of several files with one stamp, only the last copy is a download of its own
distinct_downloads as (
    select
        report_files.file_id,
        course_runs.course,
        course_runs.course_instance,
        report_files.reported_at,
        coalesce(contents.lists_auditors, false) as lists_auditors
    from report_files
    inner join course_runs on report_files.run_key = lower(course_runs.course_instance)
    left join contents on report_files.file_id = contents.file_id
    where
        report_files.report_kind = 'grade_report'
        and report_files.status in ('used', 'superseded')
    qualify row_number() over (
        partition by course_runs.course_instance, report_files.reported_at
        order by report_files.stamp_rank desc
    ) = 1
),

final as (
    select
        file_id,
        course,
        course_instance,
        reported_at,
        lists_auditors,
        row_number() over downloads_of_run as download_number,
        lag(reported_at) over downloads_of_run as previous_reported_at,
        lead(reported_at) over downloads_of_run as next_reported_at,
        count(*) over (partition by course_instance) as download_count
    from distinct_downloads
    window downloads_of_run as (partition by course_instance order by reported_at asc)
)

select * from final

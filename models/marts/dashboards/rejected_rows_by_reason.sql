-- One row per course run, kind of report, status of the file and reason: how many rows are not used.
with

rejected_rows as (
    select * from {{ ref('rejected_rows') }}
),

report_files as (
    select * from {{ ref('report_files') }}
),

reasons as (
    select
        report_files.course,
        report_files.course_instance,
        report_files.report_kind,
        report_files.status as file_status,
        -- without the numbers that differ from row to row
        case
            when rejected_rows.reason like 'line % has the same learner, and the last line counts'
                then 'a later line has the same learner'
            when rejected_rows.reason like 'it has % cells, the header has %'
                then 'it has more or fewer cells than the header'
            else rejected_rows.reason
        end as reason
    from rejected_rows
    inner join report_files on rejected_rows.file_name = report_files.file_name
),

final as (
    select
        course,
        course_instance,
        report_kind,
        file_status,
        reason,
        count(*) as row_count
    from reasons
    group by course, course_instance, report_kind, file_status, reason
)

select * from final

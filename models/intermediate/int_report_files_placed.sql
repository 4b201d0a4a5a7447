-- One row per report of a course run: all that decides what its rows count for, beside seeds and models.
with

report_files as (
    select * from {{ ref('int_report_files_judged') }}
),

course_runs as (
    select * from {{ ref('int_course_runs_ordered') }}
),

final as (
    select
        report_files.file_id,
        report_files.run_key,
        report_files.course,
        report_files.course_instance,
        report_files.status,
        course_runs.run_order
    from report_files
    left join course_runs on report_files.file_id = course_runs.file_id
    where report_files.course is not null
)

select * from final

-- One row per record of an error companion: a learner whom edX could not grade.
with

grade_report_err as (
    select * from {{ source('edx', 'grade_report_err') }}
),

report_files as (
    select * from {{ source('edx', 'report_files') }}
),

final as (
    select
        grade_report_err.file_id,
        grade_report_err.line,
        report_files.file_name,
        report_files.reported_at,
        grade_report_err.student_id
    from grade_report_err
    inner join report_files on grade_report_err.file_id = report_files.file_id
)

select * from final

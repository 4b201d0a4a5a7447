-- One row per record of a grade report; whose record it is may be a reason not to use it.
-- A table, as many models read it, and a text is slow to read as a number; names are in int_learner_sayings.
{{ config(materialized='incremental', pre_hook="{{ forget(is_new_file('file_id')) }}") }}

with

grade_report_rows as (
    select * from {{ ref('stg_edx__grade_report_rows') }}
    where {{ is_new_file('file_id') }}
),

not_learners as (
    select * from {{ ref('int_not_learners') }}
),

final as (
    select
        grade_report_rows.file_id,
        grade_report_rows.line,
        grade_report_rows.line_count,
        grade_report_rows.student_id,
        grade_report_rows.grade,
        grade_report_rows.enrollment_track,
        grade_report_rows.verification_status,
        grade_report_rows.certificate_eligible,
        grade_report_rows.certificate_delivered,
        grade_report_rows.certificate_type,
        grade_report_rows.enrollment_status,
        grade_report_rows.file_name,
        grade_report_rows.reported_at,
        not_learners.student_id is null as is_of_learner,
        if(
            not_learners.student_id is null,
            grade_report_rows.rejected_reason,
            'not a learner (not_learners.csv)'
        ) as rejected_reason
    from grade_report_rows
    left join not_learners on grade_report_rows.student_id = not_learners.student_id
)

select * from final

-- One row per learner and course run: what the newest grade report of the run says, or, of learners whom edX
-- has left out since, the one before.
{{ config(materialized='incremental', pre_hook="{{ delete_where(is_touched('learner_id')) }}") }}

with

grade_report_rows as (
    select * from {{ ref('int_report_rows') }}
    where report_kind = 'grade_report' and is_usable and {{ is_touched('student_id') }}
),

carried_over_rows as (
    select * from {{ ref('int_carried_over_rows') }}
),

course_runs as (
    select * from {{ ref('int_course_runs') }}
),

final as (
    select
        grade_report_rows.student_id as learner_id,
        course_runs.course,
        course_runs.course_instance,
        course_runs.term,
        course_runs.year,
        grade_report_rows.grade,
        grade_report_rows.enrollment_track,
        grade_report_rows.verification_status,
        grade_report_rows.certificate_eligible,
        grade_report_rows.certificate_delivered,
        grade_report_rows.certificate_type,
        grade_report_rows.enrollment_status,
        if(
            grade_report_rows.enrollment_track = 'audit'
            and grade_report_rows.grade >= course_runs.pass_grade,
            'Y',
            'N'
        ) as audit_passed,
        grade_report_rows.file_name,
        grade_report_rows.reported_at,
        carried_over_rows.file_id is not null as is_carried_over
    from grade_report_rows
    left join carried_over_rows
        on
            grade_report_rows.file_id = carried_over_rows.file_id
            and grade_report_rows.student_id = carried_over_rows.learner_id
    inner join course_runs
        on coalesce(carried_over_rows.used_file_id, grade_report_rows.file_id) = course_runs.file_id
)

select * from final

-- One row per learner and series course whose current run gives a reason to write.
{{ config(materialized='table') }}

with

course_instancedetails as (
    select * from {{ ref('course_instancedetails') }}
),

course_runs as (
    select * from {{ ref('this_program_course_runs') }}
),

courses as (
    select * from {{ ref('this_program_courses') }}
),

final as (
    select
        details.learner_id as student_id,
        courses.course as trigger_course,
        courses.position as trigger_position,
        course_runs.course_instance as trigger_course_instance,
        course_runs.title as trigger_course_title,
        course_runs.link as trigger_course_link,
        course_runs.upgrade_ends_on as trigger_course_upgrade_ends_on,
        -- where no deadline is known: nobody can upgrade in a run that has ended
        coalesce(course_runs.upgrade_ends_on, course_runs.ends_on) as trigger_course_open_until,
        if(details.enrollment_track = 'audit', 0, 1) as trigger_course_verified,
        details.certificate_delivered = 'Y' as is_certificate_delivered,
        details.enrollment_status,
        details.reported_at
    from course_instancedetails as details
    inner join course_runs
        on
            details.course = course_runs.course
            and lower(details.course_instance) = lower(course_runs.course_instance)
            and course_runs.run_role = 'current'
    inner join courses on course_runs.course = courses.course
    where
        not courses.is_capstone
        and (
            details.audit_passed = 'Y'
            or (coalesce(details.enrollment_track, '') != 'audit' and details.certificate_eligible = 'Y')
        )
)

select * from final

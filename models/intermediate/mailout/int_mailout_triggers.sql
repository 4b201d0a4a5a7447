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

learner_courses as (
    select * from {{ ref('learner_courses') }}
),

certificates as (
    select
        student_id,
        count(*) filter (where is_certificate_eligible) as no_certificate_eligible
    from learner_courses
    group by student_id
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
        if(details.enrollment_track = 'audit', 0, 1) as trigger_course_verified,
        details.certificate_delivered = 'Y' as is_certificate_delivered,
        details.enrollment_status,
        details.reported_at,
        certificates.no_certificate_eligible
    from course_instancedetails as details
    inner join course_runs
        on
            details.course = course_runs.course
            and lower(details.course_instance) = lower(course_runs.course_instance)
            and course_runs.run_role = 'current'
    inner join courses on course_runs.course = courses.course
    inner join certificates on details.learner_id = certificates.student_id
    where
        not courses.is_capstone
        and (
            (details.enrollment_track = 'audit' and details.grade >= courses.pass_grade)
            or (coalesce(details.enrollment_track, '') != 'audit' and details.certificate_eligible = 'Y')
        )
)

select * from final

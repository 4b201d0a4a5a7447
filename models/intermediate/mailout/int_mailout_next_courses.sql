-- One row per trigger that has a next course: the first of the series that its learner has not settled.
with

triggers as (
    select * from {{ ref('int_mailout_triggers') }}
),

this_program as (
    select * from {{ ref('this_program') }}
),

courses as (
    select * from {{ ref('this_program_courses') }}
),

course_runs as (
    select * from {{ ref('this_program_course_runs') }}
),

learner_courses as (
    select * from {{ ref('learner_courses') }}
),

course_instancedetails as (
    select * from {{ ref('course_instancedetails') }}
),

unsettled as (
    select
        triggers.student_id,
        triggers.trigger_course,
        courses.course as next_course
    from triggers
    cross join this_program
    inner join courses on not courses.is_capstone
    left join learner_courses
        on triggers.student_id = learner_courses.student_id and courses.course = learner_courses.course
    where
        not coalesce(learner_courses.is_settled, false)
        and (
            triggers.trigger_course_verified = 1
            -- who passed as an auditor upgrades that course first, and with all but one needs no other
            or (
                courses.course != triggers.trigger_course
                and triggers.no_certificate_eligible < this_program.certificates_required - 1
            )
        )
    qualify row_number() over (
        partition by triggers.student_id, triggers.trigger_course order by courses.position
    ) = 1
),

final as (
    select
        unsettled.student_id,
        unsettled.trigger_course,
        unsettled.next_course,
        course_runs.title as next_course_title,
        course_runs.link as next_course_link,
        if(details.learner_id is null, 'enrol', 'continue') as next_course_reason
    from unsettled
    inner join course_runs
        on unsettled.next_course = course_runs.course and course_runs.run_role = 'coming'
    left join course_instancedetails as details
        on
            unsettled.student_id = details.learner_id
            and lower(course_runs.course_instance) = lower(details.course_instance)
            and coalesce(details.enrollment_status, '') != 'unenrolled'
)

select * from final

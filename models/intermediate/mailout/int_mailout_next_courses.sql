-- One row per trigger that has a next course, the first that is not settled, with a run to take it in.
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

-- each coming run, open until the first of the days after which it could no more be taken so that it counts
runs as (
    select
        unsettled.student_id,
        unsettled.trigger_course,
        unsettled.next_course,
        course_runs.course_instance,
        course_runs.title,
        course_runs.link,
        course_runs.starts_on,
        if(details.learner_id is null, 'enrol', 'continue') as reason,
        case
            when details.learner_id is null
                then least(course_runs.enrollment_ends_on, course_runs.upgrade_ends_on, course_runs.ends_on)
            when details.enrollment_track = 'audit'
                then least(course_runs.upgrade_ends_on, course_runs.ends_on)
            else course_runs.ends_on
        end as open_until
    from unsettled
    inner join course_runs
        on unsettled.next_course = course_runs.course and course_runs.run_role = 'coming'
    left join course_instancedetails as details
        on
            unsettled.student_id = details.learner_id
            and lower(course_runs.course_instance) = lower(details.course_instance)
            and coalesce(details.enrollment_status, '') != 'unenrolled'
),

judged as (
    select
        runs.*,
        coalesce(runs.open_until >= this_program.as_of, true) as is_open
    from runs
    cross join this_program
),

chosen as (
    select *
    from judged
    qualify row_number() over (
        partition by student_id, trigger_course
        order by is_open desc, reason = 'continue' desc, starts_on asc nulls last, course_instance asc
    ) = 1
),

final as (
    select
        student_id,
        trigger_course,
        next_course,
        title as next_course_title,
        if(is_open, link, null) as next_course_link,
        if(is_open, reason, 'not open yet') as next_course_reason,
        if(is_open, starts_on, null) as next_course_starts_on,
        if(is_open, open_until, null) as next_course_open_until
    from chosen
)

select * from final

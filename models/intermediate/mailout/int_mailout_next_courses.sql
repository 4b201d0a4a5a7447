-- One row per trigger that has a next course, with a run to take it in.
with

triggers as (
    select * from {{ ref('int_mailout_triggers') }}
    where next_course is not null
),

this_program as (
    select * from {{ ref('this_program') }}
),

course_runs as (
    select * from {{ ref('this_program_course_runs') }}
),

enrollment_tracks as (
    select * from {{ ref('stg_seeds__enrollment_tracks') }}
),

course_instancedetails as (
    select * from {{ ref('course_instancedetails') }}
),

-- each coming run, open until the first of the days after which it could no more be taken so that it counts
runs as (
    select
        triggers.student_id,
        triggers.trigger_course,
        triggers.next_course,
        course_runs.course_instance,
        course_runs.title,
        course_runs.link,
        course_runs.starts_on,
        if(details.learner_id is null, 'enrol', 'continue') as reason,
        case
            when details.learner_id is null
                then least(course_runs.enrollment_ends_on, course_runs.upgrade_ends_on, course_runs.ends_on)
            when not coalesce(enrollment_tracks.is_verified, false)
                then least(course_runs.upgrade_ends_on, course_runs.ends_on)
            else course_runs.ends_on
        end as open_until,
        coalesce(open_until >= this_program.as_of, true) as is_open
    from triggers
    cross join this_program
    inner join course_runs
        on triggers.next_course = course_runs.course and course_runs.run_role = 'coming'
    left join course_instancedetails as details
        on
            triggers.student_id = details.learner_id
            and lower(course_runs.course_instance) = lower(details.course_instance)
            and not ({{ has_left('details.enrollment_status') }})
    left join enrollment_tracks on details.enrollment_track = enrollment_tracks.track
),

chosen as (
    select *
    from runs
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

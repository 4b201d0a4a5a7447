-- One row per day, triggering course run, kind of mail, status and country: how many tries to mail.
with

send_log as (
    select * from {{ ref('send_log') }}
),

course_runs as (
    select * from {{ ref('int_course_runs') }}
),

learners as (
    select * from {{ ref('learners') }}
),

tries as (
    select
        course_runs.course,
        coalesce(
            course_runs.course_instance,
            -- of a run without a grade report, any spelling that is always the same
            max(send_log.trigger_course_instance) over (partition by lower(send_log.trigger_course_instance))
        ) as course_instance,
        {{ known_country('learners.country') }} as country,
        {{ mail_kind('send_log.trigger_course_verified') }} as mail,
        send_log.status,
        -- a line of the log that was cut off has no time
        cast(coalesce(send_log.intended_at, send_log.ended_at) as date) as tried_on
    from send_log
    left join course_runs
        on lower(send_log.trigger_course_instance) = lower(course_runs.course_instance)
    left join learners on send_log.student_id = learners.student_id
),

final as (
    select
        tried_on,
        course,
        course_instance,
        mail,
        status,
        country,
        count(*) as tries
    from tries
    group by tried_on, course, course_instance, mail, status, country
)

select * from final

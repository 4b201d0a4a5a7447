-- One row per learner and triggering course: the mail that would be due, or why none is sent.
with

triggers as (
    select * from {{ ref('int_mailout_triggers') }}
),

exclusions as (
    select * from {{ ref('int_mailout_exclusions') }}
),

next_courses as (
    select * from {{ ref('int_mailout_next_courses') }}
),

learners as (
    select * from {{ ref('learners') }}
),

this_program as (
    select * from {{ ref('this_program') }}
),

send_log as (
    select * from {{ ref('send_log') }}
),

-- A mailout lasts until there is a newer grade report: until then, whoever had a mail for one course
-- gets none for another.
had_another_mail as (
    select distinct
        triggers.student_id,
        triggers.trigger_course,
    from triggers
    inner join send_log
        on
            triggers.student_id = send_log.student_id
            and lower(triggers.trigger_course_instance) != lower(send_log.trigger_course_instance)
            -- of a line that was cut off nobody knows when
            and coalesce(triggers.reported_at < send_log.intended_at, true)
    where send_log.status in ('sent', 'unknown')
),

ranked as (
    select
        triggers.*,
        exclusions.excluded_reason as own_reason,
        had_another_mail.student_id is not null as has_had_another,
        row_number() over (
            partition by triggers.student_id, exclusions.excluded_reason is null
            order by
                had_another_mail.student_id is not null,
                triggers.trigger_course_verified desc,
                triggers.trigger_position desc
        ) as rank_for_learner,
    from triggers
    inner join exclusions
        on
            triggers.student_id = exclusions.student_id
            and triggers.trigger_course = exclusions.trigger_course
    left join had_another_mail
        on
            triggers.student_id = had_another_mail.student_id
            and triggers.trigger_course = had_another_mail.trigger_course
),

final as (
    select
        this_program.program,
        ranked.student_id,
        learners.name as student_name,
        learners.email,
        ranked.trigger_course,
        ranked.trigger_course_instance,
        ranked.trigger_course_title,
        ranked.trigger_course_link,
        ranked.trigger_course_verified,
        ranked.no_certificate_eligible::integer as no_certificate_eligible,
        this_program.certificates_required,
        next_courses.next_course,
        next_courses.next_course_title,
        next_courses.next_course_link,
        coalesce(next_courses.next_course_reason, 'none left') as next_course_reason,
        coalesce(
            ranked.own_reason,
            if(ranked.has_had_another or ranked.rank_for_learner > 1, 'another course''s mail', null)
        ) as excluded_reason,
    from ranked
    cross join this_program
    inner join learners on ranked.student_id = learners.student_id
    left join next_courses
        on
            ranked.student_id = next_courses.student_id
            and ranked.trigger_course = next_courses.trigger_course
)

select * from final

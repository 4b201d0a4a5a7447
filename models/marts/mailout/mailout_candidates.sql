-- One row per learner and triggering course: the mail that would be due, or why none is sent.
with

triggers as (
    select * from {{ ref('int_mailout_triggers') }}
),

choices as (
    select * from {{ ref('int_mailout_choices') }}
),

next_courses as (
    select * from {{ ref('int_mailout_next_courses') }}
),

learners as (
    select * from {{ ref('learners') }}
),

learner_progress as (
    select * from {{ ref('learner_progress') }}
),

this_program as (
    select * from {{ ref('this_program') }}
),

final as (
    select
        this_program.program,
        triggers.student_id,
        learners.name as student_name,
        learners.email,
        triggers.trigger_course,
        triggers.trigger_course_instance,
        triggers.trigger_course_title,
        triggers.trigger_course_link,
        if(triggers.is_certified, 1, 0) as trigger_course_verified,
        triggers.is_certificate_delivered,
        learner_progress.certificates_required
        - learner_progress.certificates_to_go as no_certificate_eligible,
        learner_progress.certificates_required,
        next_courses.next_course,
        next_courses.next_course_title,
        next_courses.next_course_link,
        coalesce(next_courses.next_course_reason, 'none left') as next_course_reason,
        choices.excluded_reason,
        learners.username,
        triggers.trigger_course_upgrade_ends_on,
        next_courses.next_course_starts_on,
        next_courses.next_course_open_until,
        triggers.trigger_course_open_until
    from triggers
    cross join this_program
    inner join learners on triggers.student_id = learners.student_id
    inner join learner_progress on triggers.student_id = learner_progress.student_id
    inner join choices
        on
            triggers.student_id = choices.student_id
            and triggers.trigger_course = choices.trigger_course
    left join next_courses
        on
            triggers.student_id = next_courses.student_id
            and triggers.trigger_course = next_courses.trigger_course
)

select * from final

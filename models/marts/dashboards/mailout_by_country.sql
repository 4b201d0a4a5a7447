-- One row per triggering course, kind of mail, outcome, next course and country: how many candidates.
with

mailout_candidates as (
    select * from {{ ref('mailout_candidates') }}
),

course_runs as (
    select * from {{ ref('int_course_runs') }}
),

learners as (
    select * from {{ ref('learners') }}
),

candidates as (
    select
        mailout_candidates.trigger_course as course,
        course_runs.course_instance,
        {{ mail_kind('mailout_candidates.trigger_course_verified') }} as mail,
        coalesce(mailout_candidates.excluded_reason, 'gets a mail') as outcome,
        mailout_candidates.next_course,
        {{ known_country('learners.country') }} as country
    from mailout_candidates
    inner join course_runs
        on lower(mailout_candidates.trigger_course_instance) = lower(course_runs.course_instance)
    inner join learners on mailout_candidates.student_id = learners.student_id
),

final as (
    select
        course,
        course_instance,
        mail,
        outcome,
        next_course,
        country,
        count(*) as candidates
    from candidates
    group by course, course_instance, mail, outcome, next_course, country
)

select * from final

-- One row per number of certificates, from 0 to all courses of the program.
with

courses as (
    select * from {{ ref('this_program_courses') }}
),

learner_progress as (
    select * from {{ ref('learner_progress') }}
),

numbers as (
    select 0 as no_certificate_eligible
    union all
    select row_number() over (order by position) as no_certificate_eligible
    from courses
),

final as (
    select
        numbers.no_certificate_eligible::integer as no_certificate_eligible,
        count(learner_progress.student_id) as learners,
        count(*) filter (where learner_progress.stage = 'one to go') as all_but_one_certified,
        count(*) filter (where learner_progress.stage = 'series complete') as whole_series_certified
    from numbers
    left join learner_progress on numbers.no_certificate_eligible = learner_progress.no_certificate_eligible
    group by numbers.no_certificate_eligible
)

select * from final
order by no_certificate_eligible

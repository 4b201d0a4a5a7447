-- One row per country that learners gave; those who gave none are a row of their own.
with

learners as (
    select * from {{ ref('learners') }}
),

learner_progress as (
    select * from {{ ref('learner_progress') }}
),

counted as (
    select
        learners.country,
        count(*) as learners,
        count(*) filter (where learner_progress.courses_passed > 0) as passed,
        count(*) filter (where learner_progress.no_certificate_eligible > 0) as certificate_eligible
    from learners
    inner join learner_progress on learners.student_id = learner_progress.student_id
    group by learners.country
),

final as (
    select
        country,
        learners,
        passed,
        certificate_eligible,
        row_number() over (
            order by if(country is null, 1, 0) asc, learners desc, country asc
        )::integer as rank_by_learners
    from counted
)

select * from final
order by learners desc, country asc nulls last

-- One row per stage, number of certificates, next course and country: how many learners are there.
with

learner_progress as (
    select * from {{ ref('learner_progress') }}
),

learners as (
    select * from {{ ref('learners') }}
),

final as (
    select
        learner_progress.stage,
        case learner_progress.stage
            when 'enrolled' then 1
            when 'attempted' then 2
            when 'passed one' then 3
            when 'on the way' then 4
            when 'one to go' then 5
            when 'series complete' then 6
        end as stage_position,
        learner_progress.no_certificate_eligible,
        learner_progress.next_course,
        {{ known_country('learners.country') }} as country,
        count(*) as learners
    from learner_progress
    inner join learners on learner_progress.student_id = learners.student_id
    group by
        learner_progress.stage,
        learner_progress.no_certificate_eligible,
        learner_progress.next_course,
        {{ known_country('learners.country') }}
)

select * from final

-- One row per account that somebody said is no learner's.
with

not_learner_accounts as (
    select * from {{ ref('int_not_learner_accounts') }}
),

final as (
    select distinct student_id
    from not_learner_accounts
)

select * from final

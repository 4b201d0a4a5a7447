-- One row per account that is no learner's: not_learners.csv names it by its id, or by how it was ever known.
{{ config(materialized='table') }}

with

not_learners as (
    select * from {{ source('mailing', 'not_learners') }}
),

account_mentions as (
    select * from {{ ref('int_account_mentions') }}
),

named as (
    select
        student_id,
        line
    from not_learners
    where student_id is not null
    union
    select
        account_mentions.student_id,
        not_learners.line
    from account_mentions
    inner join not_learners on account_mentions.username = not_learners.username
    union
    select
        account_mentions.student_id,
        not_learners.line
    from account_mentions
    inner join not_learners on account_mentions.email = not_learners.email
),

final as (
    select
        student_id,
        {{ ordered_list('line', 'line') }} as lines
    from named
    group by student_id
)

select * from final

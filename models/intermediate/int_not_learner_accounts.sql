-- One row per line of not_learners.csv and account that it names: by its id, or by how it was ever known.
{{ config(materialized='table') }}

with

not_learners as (
    select * from {{ source('mailing', 'not_learners') }}
),

account_sayings as (
    select * from {{ ref('int_account_sayings') }}
),

final as (
    select
        line,
        student_id
    from not_learners
    where student_id is not null
    union
    select
        not_learners.line,
        account_sayings.student_id
    from account_sayings
    inner join not_learners on account_sayings.username = not_learners.username
    union
    select
        not_learners.line,
        account_sayings.student_id
    from account_sayings
    inner join not_learners on account_sayings.email = not_learners.email
)

select * from final

-- One row per account that somebody said is no learner's, by its id or by what any report says of it.
{{ config(materialized='table') }}

with

not_learners as (
    select * from {{ ref('stg_mailing__not_learners') }}
),

grade_report_rows as (
    select * from {{ ref('stg_edx__grade_report_rows') }}
),

profile_report_rows as (
    select * from {{ ref('stg_edx__profile_report_rows') }}
),

accounts as (
    select
        student_id,
        username,
        email
    from grade_report_rows
    where student_id is not null
    union all
    select
        student_id,
        username,
        email
    from profile_report_rows
    where student_id is not null
),

final as (
    select student_id from not_learners
    where student_id is not null
    union
    select accounts.student_id
    from accounts
    inner join not_learners
        on
            lower(trim(accounts.username)) = not_learners.username
            or lower(trim(accounts.email)) = not_learners.email
)

select * from final

-- One row per account that is no learner's: not_learners.csv names it by its id, or by how it was ever known.
{{ config(materialized='table') }}

with

not_learners as (
    select * from {{ source('mailing', 'not_learners') }}
),

-- mentions are read in each branch: DuckDB would keep all rows of a CTE that is read twice
named as (
    select
        student_id,
        line
    from not_learners
    where student_id is not null
    union
    select
        mentions.student_id,
        not_learners.line
    from {{ ref('int_account_mentions') }} as mentions
    inner join not_learners on mentions.username = not_learners.username
    union
    select
        mentions.student_id,
        not_learners.line
    from {{ ref('int_account_mentions') }} as mentions
    inner join not_learners on mentions.email = not_learners.email
),

final as (
    select
        student_id,
        {{ ordered_list('line', 'line') }} as lines
    from named
    group by student_id
)

select * from final

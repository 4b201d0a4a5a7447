-- One row per address to which nobody is written: it, or another one of its account, asked for no more mail.
with

unsubscribed as (
    select * from {{ source('mailing', 'unsubscribed') }}
),

not_learners as (
    select * from {{ ref('int_not_learners') }}
),

-- mentions are read in each branch: DuckDB would keep all rows of a CTE that is read twice

-- a second account with the address of one that is no learner's may be a learner's, and is not written to
accounts as (
    select mentions.student_id
    from {{ ref('int_account_mentions') }} as mentions
    semi join unsubscribed on mentions.email = unsubscribed.email
    union
    select student_id from not_learners
),

final as (
    select email from unsubscribed
    union
    select mentions.email
    from {{ ref('int_account_mentions') }} as mentions
    semi join accounts on mentions.student_id = accounts.student_id
    where mentions.email is not null
)

select * from final

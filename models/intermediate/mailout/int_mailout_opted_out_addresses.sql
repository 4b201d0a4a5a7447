-- One row per address to which nobody is written: it, or another one of its account, asked for no more mail.
with

unsubscribed as (
    select * from {{ source('mailing', 'unsubscribed') }}
),

not_learners as (
    select * from {{ ref('int_not_learners') }}
),

account_sayings as (
    select * from {{ ref('int_account_sayings') }}
),

-- a second account with the address of one that is no learner's may be a learner's, and is not written to
accounts as (
    select account_sayings.student_id
    from account_sayings
    semi join unsubscribed on account_sayings.email = unsubscribed.email
    union
    select student_id from not_learners
),

final as (
    select email from unsubscribed
    union
    select account_sayings.email
    from account_sayings
    semi join accounts on account_sayings.student_id = accounts.student_id
    where account_sayings.email is not null
)

select * from final

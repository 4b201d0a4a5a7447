-- One row per address to which nobody is written: it, or another one of its account, asked for no more mail.
with

unsubscribed as (
    select * from {{ source('mailing', 'unsubscribed') }}
),

not_learners as (
    select * from {{ ref('int_not_learners') }}
),

account_mentions as (
    select * from {{ ref('int_account_mentions') }}
),

-- a second account with the address of one that is no learner's may be a learner's, and is not written to
accounts as (
    select account_mentions.student_id
    from account_mentions
    semi join unsubscribed on account_mentions.email = unsubscribed.email
    union
    select student_id from not_learners
),

final as (
    select email from unsubscribed
    union
    select account_mentions.email
    from account_mentions
    semi join accounts on account_mentions.student_id = accounts.student_id
    where account_mentions.email is not null
)

select * from final

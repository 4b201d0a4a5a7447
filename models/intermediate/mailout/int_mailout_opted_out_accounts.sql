-- One row per account that asked for no more mail, at whichever of its addresses.
{{ config(materialized='table') }}

with

unsubscribed as (
    select * from {{ source('mailing', 'unsubscribed') }}
),

account_sayings as (
    select * from {{ ref('int_account_sayings') }}
),

final as (
    select distinct account_sayings.student_id
    from account_sayings
    semi join unsubscribed on account_sayings.email = unsubscribed.email
)

select * from final

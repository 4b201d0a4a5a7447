-- One row per address that asked for no more mail.
with

unsubscribed as (
    select * from {{ source('mailing', 'unsubscribed') }}
),

final as (
    select email
    from unsubscribed
)

select * from final

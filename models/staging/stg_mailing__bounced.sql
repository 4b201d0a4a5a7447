-- One row per address to which no mail can be delivered.
with

bounced as (
    select * from {{ source('mailing', 'bounced') }}
),

final as (
    select email
    from bounced
)

select * from final

-- One row per address in edX's opt-in lists: its newest preference.
with

email_opt_ins as (
    select * from {{ ref('stg_edx__email_opt_ins') }}
),

final as (
    select
        email,
        is_opted_in_for_email,
        preference_set_at
    from email_opt_ins
    where email != ''
    qualify row_number() over (
        partition by email
        -- of two at one moment, and where nobody knows when, the one that asks for no mail
        order by
            preference_set_at is null and not is_opted_in_for_email desc,
            preference_set_at desc nulls last,
            is_opted_in_for_email asc
    ) = 1
)

select * from final

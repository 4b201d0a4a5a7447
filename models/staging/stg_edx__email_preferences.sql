-- One row per address in edX's opt-in lists: its newest preference. What is no clear yes is a no.
with

email_opt_in as (
    select * from {{ source('edx', 'email_opt_in') }}
),

typed as (
    select
        lower(trim(email)) as email,
        lower(is_opted_in_for_email) in ('true', 't', '1') as is_opted_in_for_email,
        {{ utc_timestamp('preference_set_datetime') }} as preference_set_at
    from email_opt_in
),

final as (
    select
        email,
        is_opted_in_for_email,
        preference_set_at
    from typed
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

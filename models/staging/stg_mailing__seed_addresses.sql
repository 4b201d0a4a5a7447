-- One row per text in a column for addresses of seeds/programs.csv.
with

seed_addresses as (
    select * from {{ source('mailing', 'seed_addresses') }}
),

final as (
    select
        text,
        email
    from seed_addresses
)

select * from final

-- One row per row of seeds/requirements.csv, as text.
with

requirements as (
    select * from {{ ref('requirements') }}
),

final as (
    select
        program,
        track,
        requirement,
        courses_required,
        {{ row_in_file() }} as row_in_file
    from requirements
)

select * from final

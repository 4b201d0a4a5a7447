-- One row per account that another program's downloads know as retired.
with

retired_elsewhere as (
    select * from {{ source('mailing', 'retired_elsewhere') }}
),

final as (
    select distinct student_id
    from retired_elsewhere
)

select * from final

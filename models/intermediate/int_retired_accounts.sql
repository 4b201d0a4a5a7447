-- One row per account that edX has retired, as this program's downloads or another one's tell.
with

learners as (
    select * from {{ ref('learners') }}
),

retired_elsewhere as (
    select * from {{ source('mailing', 'retired_elsewhere') }}
),

final as (
    select student_id from learners
    where is_retired
    union
    select student_id from retired_elsewhere
)

select * from final

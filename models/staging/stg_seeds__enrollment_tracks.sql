-- One row per row of seeds/enrollment_tracks.csv.
with

enrollment_tracks as (
    select * from {{ ref('enrollment_tracks') }}
),

final as (
    select
        track,
        -- spreadsheets write TRUE
        lower(is_verified) = 'true' as is_verified
    from enrollment_tracks
)

select * from final

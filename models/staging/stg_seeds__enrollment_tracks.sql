-- One row per row of seeds/enrollment_tracks.csv, as text.
with

enrollment_tracks as (
    select * from {{ ref('enrollment_tracks') }}
),

final as (
    select
        track,
        -- spreadsheets write TRUE
        lower(is_verified) as is_verified
    from enrollment_tracks
)

select * from final

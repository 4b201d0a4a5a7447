-- One row per track of the program that learners are on.
with

learner_tracks as (
    select * from {{ ref('learner_tracks') }}
),

final as (
    select
        track,
        max(certificates_required) as certificates_required,
        count(*) filter (where is_complete) as complete,
        count(*) filter (where certificates_to_go = 1) as one_to_go,
        count(*) filter (where is_nearest) as nearest
    from learner_tracks
    group by track
)

select * from final
order by complete desc, one_to_go desc, nearest desc, track asc

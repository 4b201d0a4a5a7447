-- One row per learner and track of the program.
{{ config(materialized='incremental', pre_hook="{{ delete_where(is_touched('student_id')) }}") }}

with

learner_standings as (
    select * from {{ ref('int_learner_standings') }}
    where {{ is_touched('student_id') }}
),

standing_tracks as (
    select * from {{ ref('int_standing_tracks') }}
),

final as (
    select
        '{{ var("program") }}' as program,
        learner_standings.student_id,
        tracks.track,
        tracks.is_nearest,
        tracks.is_complete,
        tracks.certificates_required,
        tracks.certificates_to_go,
        tracks.next_course
    from learner_standings
    inner join standing_tracks as tracks
        on
            learner_standings.certified_flags = tracks.certified_flags
            and learner_standings.settled_flags = tracks.settled_flags
)

select * from final

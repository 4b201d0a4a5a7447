-- One row per trigger that has a next course: the first that brings the learner's nearest track closer.
with

triggers as (
    select * from {{ ref('int_mailout_triggers') }}
),

learner_standings as (
    select * from {{ ref('int_learner_standings') }}
),

courses as (
    select * from {{ ref('int_course_flags') }}
),

standing_tracks as (
    select * from {{ ref('int_standing_tracks') }}
    where is_nearest
),

standings as (
    select
        triggers.student_id,
        triggers.trigger_course,
        learner_standings.certified_flags,
        if(
            triggers.trigger_course_verified = 1,
            learner_standings.settled_flags,
            -- who passed as an auditor upgrades that course first
            learner_standings.settled_flags | courses.flag
        ) as settled_flags
    from triggers
    inner join learner_standings on triggers.student_id = learner_standings.student_id
    inner join courses on triggers.trigger_course = courses.course
),

final as (
    select
        standings.student_id,
        standings.trigger_course,
        tracks.next_course
    from standings
    inner join standing_tracks as tracks
        on
            standings.certified_flags = tracks.certified_flags
            and standings.settled_flags = tracks.settled_flags
    where tracks.next_course is not null
)

select * from final

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

standing_requirements as (
    select * from {{ ref('int_standing_requirements') }}
),

requirement_courses as (
    select * from {{ ref('int_requirement_courses') }}
),

standings as (
    select
        triggers.student_id,
        triggers.trigger_course,
        triggers.trigger_course_verified,
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

nearest as (
    select
        standings.*,
        tracks.track,
        tracks.certificates_to_go,
        tracks.next_course
    from standings
    inner join standing_tracks as tracks
        on
            standings.certified_flags = tracks.certified_flags
            and standings.settled_flags = tracks.settled_flags
),

final as (
    select
        nearest.student_id,
        nearest.trigger_course,
        nearest.next_course
    from nearest
    left join requirement_courses
        on
            nearest.track = requirement_courses.track
            and nearest.trigger_course = requirement_courses.course
    left join standing_requirements as requirements
        on
            nearest.certified_flags = requirements.certified_flags
            and nearest.settled_flags = requirements.settled_flags
            and nearest.track = requirements.track
            and requirement_courses.requirement = requirements.requirement
    where
        nearest.next_course is not null
        -- the upgrade brings the last certificate
        and not (
            nearest.trigger_course_verified = 0
            and nearest.certificates_to_go = 1
            and not coalesce(requirements.is_met, true)
        )
)

select * from final

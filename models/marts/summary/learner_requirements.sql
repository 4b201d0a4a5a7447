-- One row per learner, track of the program and requirement of the track.
{{ config(materialized='incremental', pre_hook="{{ delete_where(is_touched('student_id')) }}") }}

with

learner_standings as (
    select * from {{ ref('int_learner_standings') }}
    where {{ is_touched('student_id') }}
),

standing_requirements as (
    select * from {{ ref('int_standing_requirements') }}
),

final as (
    select
        '{{ var("program") }}' as program,
        learner_standings.student_id,
        requirements.track,
        requirements.requirement,
        requirements.earned,
        requirements.required,
        requirements.is_met,
        requirements.missing_courses
    from learner_standings
    inner join standing_requirements as requirements
        on
            learner_standings.certified_flags = requirements.certified_flags
            and learner_standings.settled_flags = requirements.settled_flags
)

select * from final

-- One row per learner: how far on the way to the nearest track's end, and what is next.
{{ config(materialized='incremental', pre_hook="{{ delete_where(is_touched('student_id')) }}") }}

with

learner_standings as (
    select * from {{ ref('int_learner_standings') }}
    where {{ is_touched('student_id') }}
),

standing_tracks as (
    select * from {{ ref('int_standing_tracks') }}
),

staged as (
    select
        learner_standings.*,
        tracks.track,
        tracks.certificates_required,
        tracks.certificates_to_go,
        tracks.next_course,
        tracks.next_course_title,
        tracks.track_count,
        case
            when tracks.certificates_to_go = 0 then 'series complete'
            when tracks.certificates_to_go = 1 then 'one to go'
            when learner_standings.courses_passed > 1 then 'on the way'
            when learner_standings.courses_passed = 1 then 'passed one'
            when learner_standings.has_attempted then 'attempted'
            else 'enrolled'
        end as stage
    from learner_standings
    inner join standing_tracks as tracks
        on
            learner_standings.certified_flags = tracks.certified_flags
            and learner_standings.settled_flags = tracks.settled_flags
            and tracks.is_nearest
),

final as (
    select
        '{{ var("program") }}' as program,
        student_id,
        no_certificate_eligible,
        courses_passed,
        next_course,
        stage,
        'passed ' || courses_passed || if(courses_passed = 1, ' course', ' courses')
        || ', ' || (certificates_required - certificates_to_go) || ' of ' || certificates_required
        || ' certificates'
        || if(track_count > 1, ' of track ' || track, '')
        || case
            when stage = 'attempted' then '; has a grade above 0 in some course'
            when stage = 'enrolled' then '; has no grade above 0 yet'
            else ''
        end
        || '; '
        || case
            when next_course_title is not null then 'next is ' || next_course_title
            -- another track may have one
            when track_count > 1 then 'nothing is left of this track'
            else 'no course of the series is left'
        end as stage_reason,
        track,
        certificates_required,
        certificates_to_go
    from staged
)

select * from final

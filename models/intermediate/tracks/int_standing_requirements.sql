-- One row per standing (which courses are certified, which settled) and requirement of a track.
{{ config(materialized='table') }}

with

learner_standings as (
    select * from {{ ref('int_learner_standings') }}
),

courses as (
    select * from {{ ref('int_course_flags') }}
),

requirement_courses as (
    select * from {{ ref('int_requirement_courses') }}
),

-- there are far fewer standings than learners
found as (
    select distinct
        certified_flags,
        settled_flags
    from learner_standings
),

standings as (
    select
        certified_flags,
        settled_flags
    from found
    union
    -- as it will be once a course that was passed on the audit track is upgraded
    select
        found.certified_flags,
        found.settled_flags | courses.flag as settled_flags
    from found
    cross join courses
),

counted as (
    select
        standings.certified_flags,
        standings.settled_flags,
        requirement_courses.track,
        requirement_courses.track_order,
        requirement_courses.requirement,
        requirement_courses.courses_required as required,
        count(*) filter (where (standings.certified_flags & requirement_courses.flag) != 0) as earned,
        count(*) filter (where (standings.settled_flags & requirement_courses.flag) != 0) as settled,
        {{ string_agg(
            'if((standings.certified_flags & requirement_courses.flag) = 0, requirement_courses.course, null)',
            "', '",
            'requirement_courses.position'
        ) }} as uncertified_courses
    from standings
    cross join requirement_courses
    group by
        standings.certified_flags,
        standings.settled_flags,
        requirement_courses.track,
        requirement_courses.track_order,
        requirement_courses.requirement,
        requirement_courses.courses_required
),

final as (
    select
        certified_flags,
        settled_flags,
        track,
        track_order,
        requirement,
        earned::integer as earned,
        required,
        earned >= required as is_met,
        greatest(required - earned, 0) as certificates_to_go,
        -- a settled course will bring its certificate
        settled < required as needs_a_course,
        if(earned >= required, null, uncertified_courses) as missing_courses
    from counted
)

select * from final

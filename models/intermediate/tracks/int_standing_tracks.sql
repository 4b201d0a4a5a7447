-- One row per standing (which courses are certified, which settled) and track of the program.
{{ config(materialized='table') }}

with

standing_requirements as (
    select * from {{ ref('int_standing_requirements') }}
),

requirement_courses as (
    select * from {{ ref('int_requirement_courses') }}
),

next_courses as (
    select
        standings.certified_flags,
        standings.settled_flags,
        standings.track,
        requirement_courses.course as next_course,
        requirement_courses.title as next_course_title
    from standing_requirements as standings
    inner join requirement_courses
        on
            standings.track = requirement_courses.track
            and standings.requirement = requirement_courses.requirement
    where
        standings.needs_a_course
        and requirement_courses.is_offered
        and (standings.settled_flags & requirement_courses.flag) = 0
    qualify row_number() over (
        partition by standings.certified_flags, standings.settled_flags, standings.track
        order by requirement_courses.position
    ) = 1
),

added_up as (
    select
        certified_flags,
        settled_flags,
        track,
        track_order,
        sum(required)::integer as certificates_required,
        sum(certificates_to_go)::integer as certificates_to_go
    from standing_requirements
    group by certified_flags, settled_flags, track, track_order
),

final as (
    select
        added_up.certified_flags,
        added_up.settled_flags,
        added_up.track,
        added_up.certificates_required,
        added_up.certificates_to_go,
        added_up.certificates_to_go = 0 as is_complete,
        next_courses.next_course,
        next_courses.next_course_title,
        row_number() over (
            partition by added_up.certified_flags, added_up.settled_flags
            order by added_up.certificates_to_go, added_up.track_order
        ) = 1 as is_nearest,
        count(*) over (partition by added_up.certified_flags, added_up.settled_flags) as track_count
    from added_up
    left join next_courses
        on
            added_up.certified_flags = next_courses.certified_flags
            and added_up.settled_flags = next_courses.settled_flags
            and added_up.track = next_courses.track
)

select * from final

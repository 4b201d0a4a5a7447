-- One row per track of the program, requirement of the track, and course that counts for it.
with

this_program as (
    select * from {{ ref('this_program') }}
),

requirements as (
    select
        *,
        {{ seed_row_number() }} as row_in_file
    from {{ ref('requirements') }}
),

requirement_courses as (
    select * from {{ ref('requirement_courses') }}
),

courses as (
    select * from {{ ref('int_course_flags') }}
),

said as (
    select
        requirements.track,
        requirements.requirement,
        {{ whole_number('requirements.courses_required') }}::integer as courses_required,
        requirements.row_in_file as requirement_order,
        requirement_courses.course
    from this_program
    inner join requirements on this_program.program = requirements.program
    inner join requirement_courses
        on
            requirements.program = requirement_courses.program
            and requirements.track = requirement_courses.track
            and requirements.requirement = requirement_courses.requirement
),

-- a program of which the seed says nothing takes its series' courses
unsaid as (
    select
        'series' as track,
        'series' as requirement,
        this_program.certificates_required as courses_required,
        1 as requirement_order,
        courses.course
    from this_program
    left join courses on not courses.is_capstone
    where
        not exists (
            select 1 from requirements
            where requirements.program = this_program.program
        )
),

counting as (
    select * from said
    union all
    select * from unsaid
),

final as (
    select
        counting.track,
        min(counting.requirement_order) over (partition by counting.track) as track_order,
        counting.requirement,
        counting.requirement_order,
        counting.courses_required,
        counting.course,
        courses.position,
        courses.title,
        courses.is_offered,
        -- a program may have no course in its series
        coalesce(courses.flag, 0) as flag
    from counting
    left join courses on counting.course = courses.course
)

select * from final

-- One row per thing that is wrong in a row of seeds/requirements.csv or requirement_courses.csv.
with

programs as (
    select * from {{ ref('stg_seeds__programs') }}
),

courses as (
    select * from {{ ref('stg_seeds__courses') }}
),

requirements as (
    select
        *,
        'requirements.csv, requirement ' || coalesce(requirement, 'empty') || ' of track '
        || coalesce(track, 'empty') || ' of program ' || coalesce(program, 'empty') as seed_row
    from {{ ref('stg_seeds__requirements') }}
),

requirement_courses as (
    select
        *,
        'requirement_courses.csv, course ' || coalesce(course, 'empty') || ' of requirement '
        || coalesce(requirement, 'empty') || ' of track ' || coalesce(track, 'empty')
        || ' of program ' || coalesce(program, 'empty') as seed_row
    from {{ ref('requirement_courses') }}
),

counted as (
    select
        requirements.seed_row,
        requirements.courses_required,
        count(distinct requirement_courses.course) as listed
    from requirements
    left join requirement_courses
        on
            requirements.program = requirement_courses.program
            and requirements.track = requirement_courses.track
            and requirements.requirement = requirement_courses.requirement
    group by requirements.seed_row, requirements.courses_required
),

final as (
    select
        seed_row,
        'its program, ' || coalesce(program, 'empty') || ', is not in seeds/programs.csv' as problem
    from requirements
    where
        not exists (
            select 1 from programs
            where programs.program = requirements.program
        )
    union all
    select
        seed_row,
        'it needs a track and a requirement' as problem
    from requirements
    where track is null or requirement is null
    union all
    select
        seed_row,
        'its courses_required, ' || coalesce(courses_required, 'empty')
        || ', is no whole number from 1' as problem
    from requirements
    where coalesce({{ whole_number('courses_required') }}, 0) < 1
    union all
    select
        seed_row,
        'its courses_required, ' || courses_required || ', is more than the ' || listed
        || ' courses that seeds/requirement_courses.csv lists for it' as problem
    from counted
    where {{ whole_number('courses_required') }} > listed
    union all
    select
        seed_row,
        'its course is not in seeds/courses.csv with that program' as problem
    from requirement_courses
    where
        not exists (
            select 1 from courses
            where
                courses.program = requirement_courses.program
                and courses.course = requirement_courses.course
        )
    union all
    select
        seed_row,
        'its requirement is not in seeds/requirements.csv with that program and track' as problem
    from requirement_courses
    where
        not exists (
            select 1 from requirements
            where
                requirements.program = requirement_courses.program
                and requirements.track = requirement_courses.track
                and requirements.requirement = requirement_courses.requirement
        )
)

select * from final

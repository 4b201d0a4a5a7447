-- One row per thing that is wrong in a row of seeds/courses.csv or course_aliases.csv.
with

programs as (
    select * from {{ ref('stg_seeds__programs') }}
),

courses as (
    select
        *,
        'courses.csv, course ' || coalesce(course, 'empty') as seed_row
    from {{ ref('stg_seeds__courses') }}
),

course_aliases as (
    select
        *,
        'course_aliases.csv, file_prefix ' || coalesce(file_prefix, 'empty') as seed_row
    from {{ ref('course_aliases') }}
),

course_runs as (
    select * from {{ ref('stg_seeds__course_runs') }}
),

requirement_courses as (
    select * from {{ ref('requirement_courses') }}
),

-- courses that a mail may suggest
suggested as (
    select * from courses
    where
        coalesce(offered, 'true') != 'false'
        and (
            is_capstone = 'false'
            or exists (
                select 1 from requirement_courses
                where
                    requirement_courses.program = courses.program
                    and requirement_courses.course = courses.course
            )
        )
),

final as (
    select
        seed_row,
        'it names columns, so only a-z, 0-9 and _ can be in it' as problem
    from courses
    where not {{ is_all("coalesce(course, '')", "'[a-z][a-z0-9_]*'") }}
    union all
    select
        seed_row,
        'its program, ' || coalesce(program, 'empty') || ', is not in seeds/programs.csv' as problem
    from courses
    where
        not exists (
            select 1 from programs
            where programs.program = courses.program
        )
    union all
    select
        seed_row,
        'its pass_grade, ' || coalesce(pass_grade, 'empty')
        || ', is no number from 0 to 1 (0.65 is 65 %)' as problem
    from courses
    where coalesce({{ decimal_number('pass_grade') }}, -1) not between 0 and 1
    union all
    select
        seed_row,
        'its position, ' || coalesce(position, 'empty') || ', is no whole number' as problem
    from courses
    where {{ whole_number('position') }} is null
    union all
    select
        seed_row,
        'its is_capstone, ' || coalesce(is_capstone, 'empty') || ', is neither true nor false' as problem
    from courses
    where coalesce(is_capstone, '') not in ('true', 'false')
    union all
    select
        seed_row,
        'it has no file_prefix, such as UQx_BUSLEAD1x' as problem
    from courses
    where file_prefix is null
    union all
    select
        seed_row,
        'its offered, ' || offered || ', is neither true nor false' as problem
    from courses
    where offered not in ('true', 'false')
    union all
    select
        seed_row,
        'it has no coming run in seeds/course_runs.csv, which every course of a series needs' as problem
    from suggested
    where
        not exists (
            select 1 from course_runs
            where course_runs.course = suggested.course and course_runs.run_role = 'coming'
        )
    union all
    select
        seed_row,
        'its course, ' || coalesce(course, 'empty') || ', is not in seeds/courses.csv' as problem
    from course_aliases
    where
        not exists (
            select 1 from courses
            where courses.course = course_aliases.course
        )
    union all
    select
        seed_row,
        'it has no file_prefix, such as UQx_BUSLEAD1x' as problem
    from course_aliases
    where file_prefix is null
)

select * from final

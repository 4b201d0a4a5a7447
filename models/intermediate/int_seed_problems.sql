-- One row per thing that is wrong in a seed. The build stops at any.
{{ config(post_hook="{{ stop_with_messages(this) }}") }}

with

programs as (
    select * from {{ ref('programs') }}
),

courses as (
    select * from {{ ref('courses') }}
),

course_aliases as (
    select * from {{ ref('course_aliases') }}
),

course_runs as (
    select * from {{ ref('course_runs') }}
),

enrollment_tracks as (
    select * from {{ ref('enrollment_tracks') }}
),

prefixes as (
    select
        course,
        file_prefix,
    from courses
    union all
    select
        course,
        file_prefix,
    from course_aliases
),

wrong_courses as (
    select
        'courses.csv, course ' || course as seed_row,
        unnest([
            case
                when program not in (select program from programs)
                    then 'its program ' || program || ' is not in seeds/programs.csv'
            end,
            case
                when coalesce({{ decimal_number('pass_grade') }}, -1) not between 0 and 1
                    then 'its pass_grade is ' || coalesce(pass_grade, 'empty')
                        || ', expected a number from 0 to 1 (0.65 for 65 %)'
            end,
            case
                when {{ whole_number('position') }} is null
                    then 'its position is ' || coalesce(position, 'empty') || ', expected a whole number'
            end,
            case
                when coalesce(is_capstone, '') not in ('true', 'false')
                    then 'its is_capstone is ' || coalesce(is_capstone, 'empty') || ', expected true or false'
            end,
            case
                when file_prefix is null
                    then 'it has no file_prefix, expected one such as UQx_BUSLEAD1x'
            end,
            case
                when not regexp_full_match(course, '[a-z][a-z0-9_]*')
                    then 'it names columns, expected lower-case letters, digits and _ only'
            end,
            case
                when is_capstone = 'false' and course not in (
                    select course from course_runs where run_role = 'coming'
                )
                    then 'it has no coming run in seeds/course_runs.csv, and every course of a series needs one'
            end,
        ]) as problem,
    from courses
),

wrong_programs as (
    select
        'programs.csv, program ' || program as seed_row,
        unnest([
            case
                when {{ whole_number('certificates_required') }} is null
                    then 'its certificates_required is ' || coalesce(certificates_required, 'empty')
                        || ', expected a whole number'
            end,
            case
                when not regexp_full_match(program, '[a-z][a-z0-9_]*')
                    then 'it names a table, expected lower-case letters, digits and _ only'
            end,
        ]) as problem,
    from programs
),

wrong_runs as (
    select
        'course_runs.csv, ' || run_role || ' run ' || course_instance || ' of course ' || course as seed_row,
        unnest([
            case
                when course not in (select course from courses)
                    then 'its course is not in seeds/courses.csv'
                when not exists (
                    select 1
                    from prefixes
                    where
                        prefixes.course = course_runs.course
                        and starts_with(lower(course_instance), lower(file_prefix) || '_')
                )
                    then 'it does not begin with a file prefix of its course and a _'
            end,
            case
                when run_role not in ('current', 'coming')
                    then 'its run_role is neither current nor coming'
            end,
        ]) as problem,
    from course_runs
),

wrong_aliases as (
    select
        'course_aliases.csv, file_prefix ' || file_prefix as seed_row,
        'its course ' || course || ' is not in seeds/courses.csv' as problem,
    from course_aliases
    where course not in (select course from courses)
),

wrong_tracks as (
    select
        'enrollment_tracks.csv, track ' || track as seed_row,
        'its is_verified is neither true nor false' as problem,
    from enrollment_tracks
    where coalesce(is_verified, '') not in ('true', 'false')
),

repeated as (
    select
        'programs.csv, program ' || program as seed_row,
    from programs
    group by program
    having count(*) > 1
    union all
    select
        'courses.csv, course ' || course,
    from courses
    group by course
    having count(*) > 1
    union all
    select
        'courses.csv, position ' || position || ' of program ' || program
        || ' (' || string_agg(course, ', ' order by course) || ')',
    from courses
    group by program, position
    having count(*) > 1
    union all
    select
        'courses.csv and course_aliases.csv, file_prefix ' || min(file_prefix)
        || ' (' || string_agg(course, ', ' order by course) || ')',
    from prefixes
    group by lower(file_prefix)
    having count(*) > 1
    union all
    select
        'course_runs.csv, ' || run_role || ' run of course ' || course,
    from course_runs
    group by course, run_role
    having count(*) > 1
    union all
    select
        'enrollment_tracks.csv, track ' || track,
    from enrollment_tracks
    group by track
    having count(*) > 1
),

problems as (
    from wrong_courses
    union all by name
    from wrong_programs
    union all by name
    from wrong_runs
    union all by name
    from wrong_aliases
    union all by name
    from wrong_tracks
    union all by name
    select
        seed_row,
        'it is there more than once' as problem,
    from repeated
),

final as (
    select
        'seeds/' || seed_row || ': ' || problem || '.' as message,
    from problems
    where problem is not null
)

select * from final

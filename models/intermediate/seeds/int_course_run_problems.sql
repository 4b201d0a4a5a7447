-- One row per thing that is wrong in a row of seeds/course_runs.csv or course_run_pass_grades.csv.
with

courses as (
    select * from {{ ref('stg_seeds__courses') }}
),

course_prefixes as (
    select * from {{ ref('int_course_prefixes') }}
),

course_runs as (
    select * from {{ ref('stg_seeds__course_runs') }}
),

run_pass_grades as (
    select
        *,
        'course_run_pass_grades.csv, run ' || coalesce(course_instance, 'empty') as seed_row
    from {{ ref('course_run_pass_grades') }}
),

checked as (
    select
        *,
        'course_runs.csv, ' || coalesce(run_role, 'empty') || ' run ' || coalesce(course_instance, 'empty')
        || ' of ' || coalesce(course, 'empty') as seed_row,
        exists(
            select 1 from courses
            where courses.course = course_runs.course
        ) as is_of_known_course,
        exists(
            select 1 from course_prefixes
            where
                course_prefixes.course = course_runs.course
                and left(lower(course_runs.course_instance), length(course_prefixes.file_prefix) + 1)
                = lower(course_prefixes.file_prefix) || '_'
        ) as is_of_its_course
    from course_runs
),

final as (
    select
        seed_row,
        'its course is not in seeds/courses.csv' as problem
    from checked
    where not is_of_known_course
    union all
    select
        seed_row,
        'its course_instance does not begin with a file_prefix of its course and a _' as problem
    from checked
    where is_of_known_course and not is_of_its_course
    union all
    select
        seed_row,
        'its run_role is neither current nor coming nor past' as problem
    from checked
    where coalesce(run_role, '') not in ('current', 'coming', 'past')
    union all
    select
        seed_row,
        'its year, ' || year || ', is no year such as 2016' as problem
    from checked
    where not {{ is_all('year', "'(19|20)[0-9]{2}'") }}
    union all
    select
        seed_row,
        'it has a term and no year' as problem
    from checked
    where year is null and term is not null
    {%- for day in ['starts_on', 'ends_on', 'enrollment_ends_on', 'upgrade_ends_on'] %}
        union all
        select
            seed_row,
            'its {{ day }}, ' || {{ day }} || ', is no day such as 2026-07-14' as problem
        from checked
        where {{ day }} is not null and {{ iso_date(day) }} is null
    {%- endfor %}
    union all
    select
        seed_row,
        'its pass_grade, ' || coalesce(pass_grade, 'empty')
        || ', is no number from 0 to 1 (0.65 is 65 %)' as problem
    from run_pass_grades
    where coalesce({{ decimal_number('pass_grade') }}, -1) not between 0 and 1
    union all
    select
        seed_row,
        'its course_instance does not begin with a file_prefix of seeds/courses.csv'
        || ' or course_aliases.csv and a _' as problem
    from run_pass_grades
    where
        not exists (
            select 1 from course_prefixes
            where
                left(lower(run_pass_grades.course_instance), length(course_prefixes.file_prefix) + 1)
                = lower(course_prefixes.file_prefix) || '_'
        )
    -- enrolment alone may end before the start
    {%- for day in ['ends_on', 'upgrade_ends_on'] %}
        union all
        select
            seed_row,
            'its {{ day }}, ' || {{ day }} || ', is before its starts_on, ' || starts_on as problem
        from checked
        where {{ iso_date(day) }} < {{ iso_date('starts_on') }}
    {%- endfor %}
)

select * from final

-- One row per cell of a seed that must be a day, a language or a link, and is none or contradicts another.
{%- set days = ['starts_on', 'ends_on', 'enrollment_ends_on', 'upgrade_ends_on'] %}

with

programs as (
    select * from {{ ref('stg_seeds__programs') }}
),

course_runs as (
    select
        *,
        concat(
            'course_runs.csv, ', coalesce(run_role, 'empty'),
            ' run ', coalesce(course_instance, 'empty'), ' of ', coalesce(course, 'empty')
        ) as seed_row
    from {{ ref('stg_seeds__course_runs') }}
),

final as (
    {%- for day in days %}
        select
            seed_row,
            'its {{ day }}, ' || {{ day }} || ', is no day such as 2026-07-14' as problem
        from course_runs
        where {{ day }} is not null and {{ iso_date(day) }} is null
        union all
    {%- endfor %}
    -- enrolment alone may end before the start
    {%- for day in ['ends_on', 'upgrade_ends_on'] %}
        select
            seed_row,
            'its {{ day }}, ' || {{ day }} || ', is before its starts_on, ' || starts_on as problem
        from course_runs
        where {{ iso_date(day) }} < {{ iso_date('starts_on') }}
        union all
    {%- endfor %}
    select
        'programs.csv, program ' || coalesce(program, 'empty') as seed_row,
        'its language, ' || language || ', is no tag such as en, es or pt-BR' as problem
    from programs
    where regexp_extract(language, '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$', 0) = ''
    union all
    select
        'programs.csv, program ' || coalesce(program, 'empty') as seed_row,
        'its lms_base, ' || lms_base || ', is no link such as https://courses.edx.org' as problem
    from programs
    where regexp_extract(lms_base, '^https://[^ /?#]+[^ ?#]*$', 0) = ''
)

select * from final

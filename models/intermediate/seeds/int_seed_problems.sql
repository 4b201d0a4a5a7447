-- One row per thing that is wrong in a seed or in a variable of the build. The build stops at any.
{{ config(materialized='table', post_hook="{{ stop_with_messages(this) }}") }}

{%- set day = var('as_of', '') | string | replace("'", "''") %}
{%- set share = var('max_learners_gone', none) | string | replace("'", "''") %}
{%- set is_its_prefix -%}
    left(lower(course_instance), length(prefixes.file_prefix) + 1) = lower(prefixes.file_prefix) || '_'
{%- endset %}

{#- A seed, when a row of it is wrong, and what the message then says: {column} is the cell there.
    Spreadsheets write TRUE. #}
{%- set checks = [
    ('programs', 'not ' ~ matches("coalesce(program, '')", "'[a-z][a-z0-9_]*'"),
        'it names a table, so only a-z, 0-9 and _ can be in it'),
    ('programs', "program = 'all_programs'", 'all_programs is the name of the file of all programs together'),
    ('programs', whole_number('certificates_required') ~ ' is null',
        'its certificates_required is not a whole number'),
    ('programs', "coalesce(unsubscribe_hash, '') not in ('hmac-sha256', 'md5')",
        'its unsubscribe_hash is neither hmac-sha256 nor md5'),
    ('programs', "certificate_mail not in ('eligible', 'delivered')",
        'its certificate_mail, {certificate_mail}, is neither eligible nor delivered'),
    ('programs', 'not ' ~ matches('language', "'[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*'"),
        'its language, {language}, is not a tag such as en, es or pt-BR'),
    ('programs', 'not ' ~ matches('lms_base', "'https://[^ /?#]+[^ ?#]*'"),
        'its lms_base, {lms_base}, is not a link such as https://courses.edx.org'),
    ('programs', "lower(invented) not in ('true', 'false')",
        'its invented, {lower(invented)}, is neither true nor false'),
    ('enrollment_tracks', "coalesce(lower(is_verified), '') not in ('true', 'false')",
        'its is_verified is neither true nor false'),
    ('courses', 'not ' ~ matches("coalesce(course, '')", "'[a-z][a-z0-9_]*'"),
        'it names columns, so only a-z, 0-9 and _ can be in it'),
    ('courses', not_exists('programs', 'programs.program = courses.program'),
        'its program, {program}, is not in seeds/programs.csv'),
    ('courses', 'coalesce(' ~ decimal_number('pass_grade') ~ ', -1) not between 0 and 1',
        'its pass_grade, {pass_grade}, is not a number from 0 to 1 (0.65 is 65 %)'),
    ('courses', whole_number('position') ~ ' is null', 'its position, {position}, is not a whole number'),
    ('courses', "coalesce(lower(is_capstone), '') not in ('true', 'false')",
        'its is_capstone, {lower(is_capstone)}, is neither true nor false'),
    ('courses', 'file_prefix is null', 'it has no file_prefix, such as UQx_BUSLEAD1x'),
    ('courses', "lower(offered) not in ('true', 'false')",
        'its offered, {lower(offered)}, is neither true nor false'),
    ('suggested_courses', not_exists('course_runs', "course_runs.course = suggested_courses.course and run_role = 'coming'"),
        'it has no coming run in seeds/course_runs.csv, which every course of a series needs'),
    ('course_aliases', not_exists('courses', 'courses.course = course_aliases.course'),
        'its course, {course}, is not in seeds/courses.csv'),
    ('course_aliases', 'file_prefix is null', 'it has no file_prefix, such as UQx_BUSLEAD1x'),
    ('course_runs', not_exists('courses', 'courses.course = course_runs.course'), 'its course is not in seeds/courses.csv'),
    ('course_runs', 'exists (select 1 from courses where courses.course = course_runs.course) and '
        ~ not_exists('prefixes', 'prefixes.course = course_runs.course and ' ~ is_its_prefix),
        'its course_instance does not begin with a file_prefix of its course and a _'),
    ('course_runs', "coalesce(run_role, '') not in ('current', 'coming', 'past')",
        'its run_role is neither current nor coming nor past'),
    ('course_runs', 'not ' ~ matches('year', "'(19|20)[0-9]{2}'"), 'its year, {year}, is not a year such as 2016'),
    ('course_runs', 'year is null and term is not null', 'it has a term and no year'),
    ('run_pass_grades', 'coalesce(' ~ decimal_number('pass_grade') ~ ', -1) not between 0 and 1',
        'its pass_grade, {pass_grade}, is not a number from 0 to 1 (0.65 is 65 %)'),
    ('run_pass_grades', not_exists('prefixes', is_its_prefix),
        'its course_instance does not begin with a file_prefix of seeds/courses.csv or course_aliases.csv and a _'),
    ('requirements', not_exists('programs', 'programs.program = requirements.program'),
        'its program, {program}, is not in seeds/programs.csv'),
    ('requirements', 'track is null or requirement is null', 'it needs a track and a requirement'),
    ('requirements', 'coalesce(' ~ whole_number('courses_required') ~ ', 0) < 1',
        'its courses_required, {courses_required}, is not a whole number from 1'),
    ('requirements', whole_number('courses_required') ~ ' > listed', 'its courses_required, {courses_required}, '
        ~ 'is more than the {listed} courses that seeds/requirement_courses.csv lists for it'),
    ('requirement_courses',
        not_exists('courses', 'courses.program = requirement_courses.program and courses.course = requirement_courses.course'),
        'its course is not in seeds/courses.csv with that program'),
    ('requirement_courses', not_exists('requirements', 'requirements.program = requirement_courses.program'
        ~ ' and requirements.track = requirement_courses.track'
        ~ ' and requirements.requirement = requirement_courses.requirement'),
        'its requirement is not in seeds/requirements.csv with that program and track'),
] %}
{%- for column in ['sender', 'reply_to', 'contact_email'] %}
    {%- do checks.append((
        'programs', column ~ ' in (select doubtful_addresses.text from doubtful_addresses)',
        'its ' ~ column ~ ' is not one address, such as Updates <updates@example.org>'
    )) %}
{%- endfor %}
{%- for column in ['starts_on', 'ends_on', 'enrollment_ends_on', 'upgrade_ends_on'] %}
    {%- do checks.append((
        'course_runs', column ~ ' is not null and ' ~ iso_date(column) ~ ' is null',
        'its ' ~ column ~ ', {' ~ column ~ '}, is not a day such as 2026-07-14'
    )) %}
{%- endfor %}
{#- Enrolment alone may end before the start. #}
{%- for column in ['ends_on', 'upgrade_ends_on'] %}
    {%- do checks.append((
        'course_runs', iso_date(column) ~ ' < ' ~ iso_date('starts_on'),
        'its ' ~ column ~ ', {' ~ column ~ '}, is before its starts_on, {starts_on}'
    )) %}
{%- endfor %}

with

programs as (
    select
        *,
        'programs.csv, program ' || coalesce(program, 'empty') as seed_row
    from {{ ref('programs') }}
),

enrollment_tracks as (
    select
        *,
        'enrollment_tracks.csv, track ' || coalesce(track, 'empty') as seed_row
    from {{ ref('enrollment_tracks') }}
),

courses as (
    select
        *,
        'courses.csv, course ' || coalesce(course, 'empty') as seed_row
    from {{ ref('courses') }}
),

course_aliases as (
    select
        *,
        'course_aliases.csv, file_prefix ' || coalesce(file_prefix, 'empty') as seed_row
    from {{ ref('course_aliases') }}
),

course_runs as (
    select
        *,
        'course_runs.csv, ' || coalesce(run_role, 'empty') || ' run ' || coalesce(course_instance, 'empty')
        || ' of ' || coalesce(course, 'empty') as seed_row
    from {{ ref('course_runs') }}
),

run_pass_grades as (
    select
        *,
        'course_run_pass_grades.csv, run ' || coalesce(course_instance, 'empty') as seed_row
    from {{ ref('course_run_pass_grades') }}
),

requirement_courses as (
    select
        *,
        'requirement_courses.csv, course ' || coalesce(course, 'empty') || ' of requirement '
        || coalesce(requirement, 'empty') || ' of track ' || coalesce(track, 'empty')
        || ' of program ' || coalesce(program, 'empty') as seed_row
    from {{ ref('requirement_courses') }}
),

listed_courses as (
    select
        program,
        track,
        requirement,
        count(distinct course) as listed
    from requirement_courses
    group by program, track, requirement
),

requirements as (
    select
        requirements.*,
        coalesce(listed_courses.listed, 0) as listed,
        'requirements.csv, requirement ' || coalesce(requirements.requirement, 'empty') || ' of track '
        || coalesce(requirements.track, 'empty') || ' of program '
        || coalesce(requirements.program, 'empty') as seed_row
    from {{ ref('requirements') }} as requirements
    left join listed_courses
        on
            requirements.program = listed_courses.program
            and requirements.track = listed_courses.track
            and requirements.requirement = listed_courses.requirement
),

prefixes as (
    select * from {{ ref('int_course_prefixes') }}
),

-- texts in which nobody can tell the address for certain
doubtful_addresses as (
    select text from {{ source('mailing', 'seed_addresses') }}
    where email is null
),

repeated_rows as (
    select * from {{ ref('int_seed_rows_repeated') }}
),

-- courses that a mail may suggest
suggested_courses as (
    select * from courses
    where
        coalesce(lower(offered), 'true') != 'false'
        and (
            lower(is_capstone) = 'false'
            or exists (
                select 1 from requirement_courses
                where
                    requirement_courses.program = courses.program
                    and requirement_courses.course = courses.course
            )
        )
),

problems as (
    select
        seed_row,
        problem
    from repeated_rows
    {%- for seed, condition, sentence in checks %}
        union all
        select
            seed_row,
            {{ format_sentence(sentence) }} as problem
        from {{ seed }}
        where {{ condition }}
    {%- endfor %}
),

final as (
    select 'seeds/' || seed_row || ': ' || problem || '.' as message
    from problems
    union all
    select
        'The variable as_of, {{ day }}, is no day: expected one such as 2026-07-14,'
        || ' with --vars ''{program: {{ var("program") }}, as_of: 2026-07-14}''.' as message
    where {{ as_of() }} is null
    union all
    select
        'max_learners_gone is {{ share }}: expected the share of a run''s learners'
        || ' that a download may lack, from 0 to 1, such as 0.2.' as message
    where
        '{{ share }}' != 'None'
        and not coalesce({{ decimal_number("'" ~ share ~ "'") }} between 0 and 1, false)
)

select * from final

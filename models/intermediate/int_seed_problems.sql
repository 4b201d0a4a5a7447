-- One row per thing that is wrong in a seed, or in what a build is told. The build stops at any.
{{ config(post_hook="{{ stop_with_messages(this) }}") }}

{%- set a_name = '[a-z][a-z0-9_]*' %}
{%- set day = var('as_of', '') | string | replace("'", "''") %}
{%- set address_columns = ['sender', 'reply_to', 'contact_email'] %}

with

programs as (
    select * from {{ ref('stg_seeds__programs') }}
),

courses as (
    select * from {{ ref('courses') }}
),

course_aliases as (
    select * from {{ ref('course_aliases') }}
),

course_prefixes as (
    select * from {{ ref('int_course_prefixes') }}
),

course_runs as (
    select * from {{ ref('stg_seeds__course_runs') }}
),

enrollment_tracks as (
    select * from {{ ref('enrollment_tracks') }}
),

repeated_rows as (
    select * from {{ ref('int_seed_rows_repeated') }}
),

wrong_cells as (
    select * from {{ ref('int_seed_cells_wrong') }}
),

-- texts in which nobody can tell the address for certain
doubtful_addresses as (
    select text as doubtful_address
    from {{ ref('stg_mailing__seed_addresses') }}
    where email is null
),

known_courses as (
    select course as known_course
    from courses
    where course is not null
),

owned_runs as (
    select distinct concat(course_runs.course, ' ', course_runs.course_instance) as owned_run
    from course_runs
    inner join course_prefixes
        on
            course_runs.course = course_prefixes.course
            and starts_with(lower(course_runs.course_instance), lower(course_prefixes.file_prefix) || '_')
),

-- the courses that the coming runs are of
coming_runs as (
    select distinct course as coming_course
    from course_runs
    where run_role = 'coming' and course is not null
),

checks as (
    select
        concat('programs.csv, program ', coalesce(program, 'empty')) as seed_row,
        [
            (
                not regexp_full_match(coalesce(program, ''), '{{ a_name }}'),
                'it names a table, so only a-z, 0-9 and _ can be in it'
            ),
            (
                {{ whole_number('certificates_required') }} is null,
                'its certificates_required is no whole number'
            ),
            (
                coalesce(unsubscribe_hash, '') not in ('hmac-sha256', 'md5'),
                'its unsubscribe_hash is neither hmac-sha256 nor md5'
            ),
            (
                certificate_mail not in ('eligible', 'delivered'),
                'its certificate_mail, ' || certificate_mail || ', is neither eligible nor delivered'
            ),
            {%- for column in address_columns %}
                (
                    {{ column }} in (select doubtful_addresses.doubtful_address from doubtful_addresses),
                    'its {{ column }} is not one address, such as Updates <updates@example.org>'
                ),
            {%- endfor %}
        ] as problems
    from programs
    union all
    select
        concat('courses.csv, course ', coalesce(course, 'empty')) as seed_row,
        [
            (
                not regexp_full_match(coalesce(course, ''), '{{ a_name }}'),
                'it names columns, so only a-z, 0-9 and _ can be in it'
            ),
            (
                coalesce(program, '') not in (select programs.program from programs),
                'its program, ' || coalesce(program, 'empty') || ', is not in seeds/programs.csv'
            ),
            (
                coalesce({{ decimal_number('pass_grade') }}, -1) not between 0 and 1,
                'its pass_grade, ' || coalesce(pass_grade, 'empty')
                || ', is no number from 0 to 1 (0.65 is 65 %)'
            ),
            (
                {{ whole_number('position') }} is null,
                'its position, ' || coalesce(position, 'empty') || ', is no whole number'
            ),
            (
                coalesce(is_capstone, '') not in ('true', 'false'),
                'its is_capstone, ' || coalesce(is_capstone, 'empty') || ', is neither true nor false'
            ),
            (
                file_prefix is null,
                'it has no file_prefix, such as UQx_BUSLEAD1x'
            ),
            (
                is_capstone = 'false'
                and course not in (select coming_runs.coming_course from coming_runs),
                'it has no coming run in seeds/course_runs.csv, which every course of a series needs'
            ),
        ] as problems
    from courses
    union all
    select
        concat('course_aliases.csv, file_prefix ', coalesce(file_prefix, 'empty')) as seed_row,
        [
            (
                coalesce(course, '') not in (select known_courses.known_course from known_courses),
                'its course, ' || coalesce(course, 'empty') || ', is not in seeds/courses.csv'
            ),
            (
                file_prefix is null,
                'it has no file_prefix, such as UQx_BUSLEAD1x'
            ),
        ] as problems
    from course_aliases
    union all
    select
        concat(
            'course_runs.csv, ', coalesce(run_role, 'empty'),
            ' run ', coalesce(course_instance, 'empty'), ' of ', coalesce(course, 'empty')
        ) as seed_row,
        [
            (
                coalesce(course, '') not in (select known_courses.known_course from known_courses),
                'its course is not in seeds/courses.csv'
            ),
            (
                course in (select known_courses.known_course from known_courses)
                and concat(course, ' ', course_instance) not in (select owned_runs.owned_run from owned_runs),
                'its course_instance does not begin with a file_prefix of its course and a _'
            ),
            (
                coalesce(run_role, '') not in ('current', 'coming', 'past'),
                'its run_role is neither current nor coming nor past'
            ),
            (
                year is not null and not regexp_full_match(year, '(19|20)[0-9]{2}'),
                'its year, ' || coalesce(year, 'empty') || ', is no year such as 2016'
            ),
            (
                year is null and term is not null,
                'it has a term and no year'
            ),
        ] as problems
    from course_runs
    union all
    select
        concat('enrollment_tracks.csv, track ', coalesce(track, 'empty')) as seed_row,
        [(
            coalesce(is_verified, '') not in ('true', 'false'),
            'its is_verified is neither true nor false'
        )] as problems
    from enrollment_tracks
),

found as (
    select
        seed_row,
        unnest([problem[2] for problem in problems if problem[1]]) as problem
    from checks
    union all
    select
        seed_row,
        problem
    from repeated_rows
    union all
    select
        seed_row,
        problem
    from wrong_cells
),

final as (
    select 'seeds/' || seed_row || ': ' || problem || '.' as message
    from found
    union all
    select
        'The variable as_of, {{ day }}, is no day: expected one such as 2026-07-14,'
        || ' with --vars ''{program: {{ var("program") }}, as_of: 2026-07-14}''.' as message
    where {{ as_of() }} is null
)

select * from final

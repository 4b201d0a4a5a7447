-- One row per run code in the folder that has a known shape, read into year, term and suffix.
{%- set between = '[ ._-]?' %}
{%- set suffix = '([a-z]{1,2}|[_.-][0-9]+)?' %}
{#- a term, semester, quarter, half or trimester, with its number before or behind #}
{%- set part = '(?:Term|T|Semester|Sem|S|Quarter|Qtr|Q|Half|H|Trimester|Tri)' %}
{%- set season = 'spring|summer|fall|autumn|winter|sp|su|fa|wi' %}

with

report_files as (
    select * from {{ ref('int_course_run_files') }}
),

-- what each shape's parts are: year/term/suffix; the first shape that fits is the code's
shapes as (
    select
        known.shape,
        known.pattern,
        known.parts
    from (
        values
        -- 1T2019, 1T2019a, 1T2016SP, 1T2017_2, 2T2015.2, 2T_2016, 1Q2017
        (1, '^([0-9]){{ between }}{{ part }}{{ between }}([0-9]{4}){{ suffix }}$', '$2/$1/$3'),
        -- T32015, T1-2016, S1_2018, Sem2_2019, Semester_1_2019
        (2, '^{{ part }}{{ between }}([0-9]){{ between }}([0-9]{4}){{ suffix }}$', '$2/$1/$3'),
        -- 2014_T1, 2015T2, 2015_3T, 2017-1T, 2018_Q2, 2024_2, 2019_Sem1, 2019_Sem_1
        (
            3,
            '^([0-9]{4}){{ between }}(?:{{ part }}{{ between }})?([0-9])(?:T|Q|Sem)?{{ suffix }}$',
            '$1/$2/$3'
        ),
        -- 201705, 2017-05-31
        (4, '^([0-9]{4}){{ between }}(0[1-9]|1[0-2])(?:{{ between }}[0-3][0-9])?$', '$1/$2/'),
        -- 2013_Fall, 2025_fall, 2013_SOND, 2019_Feb
        (5, '^([0-9]{4}){{ between }}([a-z]{2,})(_[0-9]+)?$', '$1/$2/$3'),
        -- Fall_2016, Spring2017, October2020
        (6, '^([a-z]+){{ between }}([0-9]{4}){{ suffix }}$', '$2/$1/$3'),
        -- 2012
        (7, '^([0-9]{4})([a-z])?$', '$1//$2'),
        -- 3T17
        (8, '^([0-9]){{ between }}{{ part }}{{ between }}([0-9]{2}){{ suffix }}$', '20$2/$1/$3'),
        -- Fall16
        (9, '^({{ season }}){{ between }}([0-9]{2})$', '20$2/$1/'),
        -- R12, Run_0, session08
        (10, '^(?:R|Run|Session){{ between }}([0-9]+)$', '//$1'),
        -- any other that has a year
        (11, '^(?:.*[^0-9])?((?:19|20)[0-9]{2})(?:[^0-9].*)?$', '$1//')
    ) as known (shape, pattern, parts)
),

codes as (
    select distinct
        run_code,
        -- a custom course is a run of its own, at its parent's time
        {{ replace_match('run_code', "'(?i)_ccx_[0-9]+$'", "''") }} as parent_code
    from report_files
),

shaped as (
    select
        codes.run_code,
        shapes.shape,
        {{ replace_match('codes.parent_code', "'(?i)' || shapes.pattern", 'shapes.parts') }} as parts
    from codes
    inner join shapes on {{ contains_match('codes.parent_code', "'(?i)' || shapes.pattern") }}
    qualify row_number() over (partition by codes.run_code order by shapes.shape asc) = 1
),

split as (
    select
        run_code,
        -- what else stands beside the year nobody can tell
        shape = 11 as is_year_alone,
        {{ whole_number("split_part(parts, '/', 1)") }}::integer as year,
        nullif(split_part(parts, '/', 2), '') as term,
        nullif(lower(split_part(parts, '/', 2)), '') as term_word,
        trim(leading '_.-' from lower(split_part(parts, '/', 3))) as rerun
    from shaped
),

final as (
    select
        run_code,
        year,
        term,
        if(year is null or is_year_alone, null, {{ term_rank('term_word') }}) as term_rank,
        -- none < a < b < SP, and none < _2 < _10
        case
            when rerun = '' then 0
            when {{ contains_match('rerun', "'^[0-9]'") }} then {{ whole_number('rerun') }}
            else length(rerun) * 26 - 26 + ascii(rerun) - ascii('a') + 1
        end as suffix_rank
    from split
)

select * from final

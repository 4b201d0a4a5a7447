-- One row per run code in the folder that has a known shape, read into year, term and suffix.
with

report_files as (
    select * from {{ ref('int_report_files_judged') }}
),

-- no code has two of these shapes
shapes as (
    select
        known.pattern,
        known.parts,
    from (
        values
        -- 1T2019, 1T2019a, 1T2017_2, 2T_2016
        ('^(\d)_?T_?(\d{4})([a-z]|_\d+)?$', '\2/\1/\3'),
        -- T32015
        ('^T(\d)_?(\d{4})([a-z]|_\d+)?$', '\2/\1/\3'),
        -- 2014_T1, 2015_3T, 2024_2
        ('^(\d{4})_T?(\d)T?([a-z]|_\d+)?$', '\1/\2/\3'),
        -- 2013_Fall, 2025_fall, 2013_SOND
        ('^(\d{4})_([a-z]{3,})(_\d+)?$', '\1/\2/\3'),
        -- 2012
        ('^(\d{4})([a-z])?$', '\1//\2'),
        -- R12, Run_0
        ('^(?:R|Run_)(\d+)$', '//\1'),
    ) as known (pattern, parts)
),

codes as (
    select distinct
        run_code,
        -- a custom course is a run of its own, at its parent's time
        regexp_replace(run_code, '(?i)_ccx_\d+$', '') as parent_code,
    from report_files
    where run_code is not null
),

split as (
    select
        codes.run_code,
        string_split(regexp_replace(codes.parent_code, '(?i)' || shapes.pattern, shapes.parts), '/') as parts,
    from codes
    inner join shapes on regexp_matches(codes.parent_code, '(?i)' || shapes.pattern)
),

final as (
    select
        run_code,
        {{ whole_number("nullif(parts[1], '')") }}::integer as year,
        nullif(parts[2], '') as term,
        case
            when parts[1] = '' then null
            when lower(parts[2]) in ('1', 'winter', 'jfma', 'efma') then 1
            when lower(parts[2]) in ('2', 'spring', 'mjja', 'amj') then 2
            when lower(parts[2]) in ('3', 'summer', 'sond', 'jas') then 3
            when lower(parts[2]) in ('4', 'fall', 'autumn', 'ond') then 4
            else coalesce({{ whole_number("nullif(parts[2], '')") }}, 0)
        end as term_rank,
        -- none < a < b, and none < _2 < _10
        case
            when parts[3] = '' then 0
            when regexp_matches(parts[3], '\d') then {{ whole_number("ltrim(parts[3], '_')") }}
            else ascii(lower(parts[3])) - ascii('a') + 1
        end as suffix_rank,
    from split
)

select * from final

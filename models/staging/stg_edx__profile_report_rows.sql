-- One row per record of a profile report; a record without a readable id has a fault.
with

student_profile_info as (
    select * from {{ source('edx', 'student_profile_info') }}
),

report_files as (
    select * from {{ source('edx', 'report_files') }}
),

typed as (
    select
        file_id,
        line,
        line_count,
        student_id,
        -- edX writes a missing value as the four letters None; "none" is somebody's word
        nullif(nullif(username, 'None'), '') as username,
        nullif(nullif(email, 'None'), '') as email,
        nullif(nullif(name, 'None'), '') as name,
        -- by hand it comes in any case and with blanks
        nullif(nullif(upper(trim(country)), 'NONE'), '') as country
    from student_profile_info
),

final as (
    select
        typed.*,
        report_files.file_name,
        report_files.reported_at,
        if(typed.student_id is null, 'its id is not an id: digits only, 18 at most', null) as fault
    from typed
    inner join report_files on typed.file_id = report_files.file_id
)

select * from final
